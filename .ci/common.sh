# Sourced by every script of .ci: where things lie, environments, and steps with a log of their own.
set -euo pipefail
export CI=1 PIP_DISABLE_PIP_VERSION_CHECK=1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$root/build/ci
logs=$work/logs
mkdir -p "$logs"
cd "$root"

# install ENVIRONMENT ARGUMENT...: packages into a virtual environment. By uv, which takes a tenth of pip's time.
install() {
  local environment=$1
  shift
  if [ ! -x "$work/uv/bin/uv" ]; then
    python3 -m venv "$work/uv"
    "$work/uv/bin/pip" install --quiet uv
  fi
  "$work/uv/bin/uv" pip install --quiet --python "$environment/bin/python" "$@"
}

# environment NAME PYTHON [ARGUMENT...]: a fresh virtual environment below build/ci.
environment() {
  local name=$1 python=$2
  shift 2
  rm -rf "${work:?}/$name"
  "$python" -m venv --without-pip "$work/$name"
  [ $# -eq 0 ] || install "$work/$name" "$@"
}

# clone: the committed files alone, beside the shared data where there is some; printed is its folder.
clone() {
  rm -rf "${work:?}/$1"
  mkdir -p "$work/$1"
  git clone --quiet "$root" "$work/$1/zoosmith"
  [ ! -e "$root/../shared" ] || ln -s "$(realpath "$root/../shared")" "$work/$1/shared"
  echo "$work/$1/zoosmith"
}

# step NAME: run .ci/steps/NAME into its log; say how long it took, and on failure the end of the log.
failed=()
step() {
  local start=$SECONDS
  if ".ci/steps/$1" >"$logs/$1.log" 2>&1; then
    echo "ok      $1 ($((SECONDS - start)) s)"
    grep '^NOTE' "$logs/$1.log" || true
  else
    echo "FAILED  $1 ($((SECONDS - start)) s); the end of ${logs#"$root/"}/$1.log:"
    tail -n 60 "$logs/$1.log"
    failed+=("$1")
  fi
}

# finish: pytest's closing lines of all steps, and the exit code.
finish() {
  [ ${#failed[@]} -eq 0 ] || echo "FAILED: ${failed[*]}"
  grep -hE '^(=+ )?([0-9]+ (passed|failed|skipped|deselected|errors?|xfailed|xpassed|warnings?)(, )?)+ in [0-9.]+s' "$logs"/*.log || true
  [ ${#failed[@]} -eq 0 ]
}
