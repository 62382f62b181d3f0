"""What the model card of DenseNet-121 says and no file holds."""

from textwrap import fill

from zoosmith.recipes.published import LICENSE_SOURCE
from zoosmith.recipes.recipe import CardFacts
from zoosmith.validation.reading.preprocess import Preprocess

_DESCRIPTION = """\
DenseNet-121 classifies an image into the 1,000 classes of ILSVRC2012. Each of its layers reads the outputs of all \
layers
before it in the same block, joined along the channels: four blocks of 6, 12, 24 and 16 layers, every layer a 1 x 1
convolution to 128 channels and a 3 x 3 convolution to 32 more, 121 layers with parameters in all."""

_PAPER = (
    "[Densely Connected Convolutional Networks](https://arxiv.org/abs/1608.06993), "
    "Huang, Liu, van der Maaten, Weinberger"
)

_DATASET = "[ILSVRC2012](https://www.image-net.org/challenges/LSVRC/2012/), on which the published weights were trained"

_SOURCE = """\
is rebuilt from the architecture. Opset 9 is its
translation; 8 and 7 are that file under their own number: MaxPool has a version 8, which adds a second output, and
BatchNormalization a version 9, which drops the attribute `spatial`, but the net uses neither; 6 and 3 are
translations in the form that those opsets allow; 12 is `onnx.version_converter`'s upgrade of 9, in which the parameters
are no graph inputs any more."""

_PREPROCESSING = """\
{steps}

```python
import numpy as np
from PIL import Image


def preprocess(path):
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    image = image.resize((256 * image.width // side, 256 * image.height // side), Image.Resampling.BILINEAR)
    left, top = round((image.width - 224) / 2), round((image.height - 224) / 2)
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float64)[:, :, ::-1]
    return ((pixels - [{mean}]) * {scale}).astype(np.float32).transpose(2, 0, 1)[np.newaxis]
```"""

_POSTPROCESSING = """\
The output holds logits, one a class, with two axes of size 1 after them; no softmax has been applied. Class numbers are
those of the ILSVRC2012 `synset` list, in its order.

```python
import numpy as np


def postprocess(output, count=5):
    logits = output.reshape(-1)
    exponents = np.exp(logits - logits.max())
    probabilities = exponents / exponents.sum()
    return [(int(label), float(probabilities[label])) for label in np.argsort(-probabilities)[:count]]
```"""

_ACCURACY = """\
Measured by others, of the published weights on ILSVRC2012:

- OpenVINO's Open Model Zoo (its page of `densenet-121-caffe2`): 74.904 % top-1, 92.192 % top-5, on 224 x 224 pixels in
  the order B, G, R less 103.94, 116.78, 123.68, over 58.8235294.
- The authors of the Caffe weights (DenseNet-Caffe): 74.91 % and 92.19 %.
- The zoo's card: 60.96 % top-1 for its opset-12 row, 60.20 % for the int8 one; it does not name its pre-processing."""

_REFERENCES = """\
- [The ONNX Model Zoo](https://github.com/onnx/models), whose table these rows follow
- [DenseNet-Caffe](https://github.com/shicai/DenseNet-Caffe), the Caffe weights and their reported accuracy"""

_CONTRIBUTORS = """\
This card and the files beside it are made by zoosmith. The published opset-12 and int8 rows were contributed to the zoo
by mengniwang95, airMeng, ftian1 and hshen14 (Intel)."""


def card_facts(preprocessing: Preprocess, weights_license: str) -> CardFacts:
    """Return the texts of the card.

    Args:
        preprocessing: of the Caffe weights.
        weights_license: of the published weights, an SPDX identifier.
    """
    steps = f"Those of the Caffe weights, which the published ones are. {preprocessing.describe()}"
    return CardFacts(
        license=weights_license,
        task="image classification",
        license_source=LICENSE_SOURCE,
        description=_DESCRIPTION,
        paper=_PAPER,
        dataset=_DATASET,
        source=_SOURCE,
        preprocessing=_PREPROCESSING.format(
            steps=fill(steps, 120, break_long_words=False, break_on_hyphens=False),
            mean=", ".join(map(str, preprocessing.mean)),
            scale=preprocessing.scale[0],
        ),
        postprocessing=_POSTPROCESSING,
        sample_data="Made-up pictures of natural statistics (overlapping discs and rectangles), pre-processed as above",
        accuracy=_ACCURACY,
        references=_REFERENCES,
        contributors=_CONTRIBUTORS,
    )
