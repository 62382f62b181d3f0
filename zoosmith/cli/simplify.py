"""`zoosmith simplify`: the optimized float file of a model."""

import click


@click.command()
@click.argument("model", metavar="MODEL.onnx")
@click.option("-o", "--output", required=True, metavar="OUT.onnx", help="The ONNX file to write.")
@click.option("--cases", type=click.IntRange(1), default=3, show_default=True, help="Random inputs to compare on.")
@click.option("--seed", type=click.IntRange(0, 2**31), default=0, show_default=True, help="Chooses them.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-4,
    show_default=True,
    help="The largest error to accept, in standard deviations of the output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a line.")
def simplify(model: str, output: str, cases: int, seed: int, tolerance: float, as_json: bool) -> int:
    """Write a model that computes the same with fewer nodes.

    Constants are folded and dead nodes dropped (onnx-simplifier); BatchNormalization and per-channel Mul and Add become
    part of the convolutions; average pooling moves before 1 x 1 convolutions. Both models run on random inputs: where
    they differ, nothing is written and the exit code is 1.

    \b
    Example:
      zoosmith simplify densenet-12.onnx -o densenet-12-opt.onnx
    """
    import json

    from zoosmith.onnx_model.loading import load_model
    from zoosmith.onnx_model.saving import save_model
    from zoosmith.optimize import OptimizeError, optimize
    from zoosmith.validation import compare, random_inputs, runner_for

    original = load_model(model)
    try:
        result = optimize(original)
    except OptimizeError as error:
        raise OptimizeError(f"{model}: {error}") from error
    before, after = runner_for(original), runner_for(result)
    comparisons = []
    for case in range(cases):
        inputs = random_inputs(result, seed=seed + case)
        comparisons.append(compare(before.run(inputs), after.run(inputs), rtol=0, atol=tolerance))
    largest = max((comparison.max_abs or 0.0 for comparison in comparisons), default=0.0)
    failed = next((comparison.reason for comparison in comparisons if not comparison.passed), None)
    if failed is None:
        save_model(result, output)
    if as_json:
        figures = {"model": model, "nodes_before": len(original.graph.node), "nodes": len(result.graph.node)}
        written = {"output": output if failed is None else None, "max_abs_error": largest, "failed": failed}
        click.echo(json.dumps({**figures, **written}, indent=2))
    elif failed is None:
        click.echo(
            f"{output}: {len(result.graph.node)} nodes of {len(original.graph.node)}, "
            f"largest error {largest:.1e} on {cases} random inputs"
        )
    else:
        click.echo(f"{model}: the simplified model differs, nothing written: {failed}", err=True)
    return 0 if failed is None else 1
