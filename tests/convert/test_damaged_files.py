"""Files with bytes changed, removed or put in: read, or refused in one line, never anything else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.convert.caffe.caffe_files import caffemodel
from tests.convert.caffe.test_reader import BLOBS, NEW, OLD
from tests.convert.saved_files import minidb
from tests.convert.test_models import META, NET, PARAMETERS, TENSORS
from zoosmith.convert import ConvertError, caffe2_to_onnx, read_model

FILES = {
    "a minidb": (minidb(PARAMETERS, META), None),
    "a MetaNetDef": (META.SerializeToString(), TENSORS.SerializeToString()),
    "TensorProtos": (NET, TENSORS.SerializeToString()),
    "a Caffe net": (NEW.encode(), caffemodel(BLOBS)),
    "an old Caffe net": (OLD.encode(), caffemodel(BLOBS, old=True)),
}


@st.composite
def changes(draw: st.DrawFn, content: bytes) -> bytes:
    # lengths and tags stand at the beginning; most of the rest is values
    place = draw(st.integers(0, min(len(content), 600) - 1) | st.integers(0, len(content) - 1))
    new = draw(st.binary(max_size=3) | st.sampled_from([b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00", b"}", b"-"]))
    return content[:place] + new + content[place + draw(st.integers(0, 12)) :]


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_in_a_line(name: str, data: st.DataObject) -> None:
    net, parameters = FILES[name]
    if isinstance(net, bytes) and data.draw(st.booleans()):
        net = data.draw(changes(net))
    elif parameters is not None:
        parameters = data.draw(changes(parameters))
    try:
        model = read_model(net, parameters)
        caffe2_to_onnx(model.net, model.init, inputs=model.inputs)
    except ConvertError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
