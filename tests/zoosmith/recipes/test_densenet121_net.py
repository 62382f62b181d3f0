import hashlib
import json
from collections import Counter

from tests.shared_data import SHARED, needs_shared
from zoosmith.convert import read_net, write_net
from zoosmith.recipes.densenet121.net import parameter_shapes, predict_net


def test_the_net_serialises_to_the_published_file() -> None:
    content = write_net(predict_net())
    assert len(content) == 77_239
    assert hashlib.sha256(content).hexdigest() == "820772d4e7b907599cba93ab0e7d2db0dc0b6e313e842a8729a0ea0354e4a719"


def test_the_net_has_the_operators_of_the_paper() -> None:
    assert Counter(operator.type for operator in predict_net().op) == {
        "Conv": 121,
        "SpatialBN": 121,
        "Mul": 121,
        "Add": 121,
        "Relu": 121,
        "Concat": 58,
        "AveragePool": 4,
        "MaxPool": 1,
    }


def test_every_external_input_but_the_image_has_a_shape() -> None:
    assert [*parameter_shapes(), "data"] == list(predict_net().external_input)


@needs_shared
def test_the_net_and_its_shapes_are_those_of_the_published_text() -> None:
    folder = SHARED / "caffe2_zoo" / "densenet121"
    assert predict_net() == read_net(folder / "predict_net.pbtxt")
    shapes = json.loads((folder / "shapes.json").read_text())
    assert parameter_shapes() == {name: tuple(shape) for name, shape in shapes.items()}
