"""A network in fp16 or int8, by ONNX Runtime's own converters.

int8 is static and per channel, in the QDQ form that both runtimes read: weights are signed, one scale a channel;
activations unsigned, one scale a tensor, from faces that went through the network (Jacob et al., "Quantization and
Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877). The range of
an activation is the moving average of the ranges of single faces: the largest value ever seen belongs to one face, and
would take the resolution from all others. Weights use seven bits: processors without VNNI add two products in 16 bits,
which saturates with eight. The first layer, the last and depthwise ones stay in fp32: they lose most and cost little.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ExportRefusedError
from pipeline.protocols import Array
from pipeline.weights.transforms import STEPS

if TYPE_CHECKING:
    from onnx import ModelProto

#: What is computed in int8; activations, additions and normalisations between them stay as they are.
QUANTISED = ("Conv", "Gemm", "MatMul")
_AVERAGING = 0.01  # weight of the newest face in the moving average


def to_fp16(model: ModelProto) -> ModelProto:
    """Weights and arithmetic in half precision; inputs and outputs stay float32."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():  # one for each weight too small or large for fp16; the parity report judges them
        warnings.filterwarnings("ignore", message=".*float32 number.*", category=UserWarning)
        half: ModelProto = convert_float_to_float16(model, keep_io_types=True)
    _sort(half)
    STEPS["clean"](half)
    return half


def _sort(model: ModelProto) -> None:
    """Puts every node behind those it reads from; the converter appends its casts at the end."""
    graph = model.graph
    made = {name for node in graph.node for name in node.output}
    waiting, done = list(graph.node), {value.name for value in (*graph.input, *graph.initializer)} | {""}
    ordered = []
    while waiting:
        ready = [node for node in waiting if all(name in done or name not in made for name in node.input)]
        if not ready:
            raise ExportRefusedError("the converter made a network that reads from itself")
        ordered += ready
        done |= {name for node in ready for name in node.output}
        waiting = [node for node in waiting if not any(name in done for name in node.output)]
    copies = [type(node).FromString(node.SerializeToString()) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def to_int8(model: ModelProto, faces: Array) -> ModelProto:
    """Static quantisation.

    Args:
        model: In fp32.
        faces: (N, ...) what the network is fed, for calibration: real faces, aligned and preprocessed.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with _files(model) as (source, target):
        quantize_static(
            str(source),
            str(target),
            _Reader(model.graph.input[0].name, faces),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=_sensitive(source),
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"CalibMovingAverage": True, "CalibMovingAverageConstant": _AVERAGING},
        )
        return _loaded(target)


def to_dynamic_int8(model: ModelProto) -> ModelProto:
    """Weights in int8; the scales of activations are found anew for every batch, which costs time but no faces."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _files(model) as (source, target):
        quantize_dynamic(
            str(source),
            str(target),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QUInt8,
            op_types_to_quantize=list(QUANTISED),
        )
        return _loaded(target)


def _sensitive(file: Path) -> list[str]:
    """The layers that stay in fp32: the first, the last, and depthwise convolutions; of SFace 4 % of the arithmetic."""
    import onnx

    layers = [node for node in onnx.load(file).graph.node if node.op_type in QUANTISED]
    if len(layers) < 3:
        return []
    depthwise = [node.name for node in layers if any(a.name == "group" and a.i > 1 for a in node.attribute)]
    return [layers[0].name, layers[-1].name, *depthwise]


class _Reader:
    """Hands calibration faces over one by one, in the form ONNX Runtime's calibrator reads."""

    def __init__(self, name: str, faces: Array) -> None:
        self._rows: Iterator[Mapping[str, Array]] = ({name: faces[row : row + 1]} for row in range(len(faces)))

    def get_next(self) -> Mapping[str, Array] | None:
        """The next face, None after the last."""
        return next(self._rows, None)


@contextmanager
def _files(model: ModelProto) -> Iterator[tuple[Path, Path]]:
    """The network in a file, normalisations folded into the convolutions before them; and where the result goes."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logger = logging.getLogger()
    before = logger.level
    logger.setLevel(logging.ERROR)  # the converters write to the root logger
    try:
        with tempfile.TemporaryDirectory(prefix="knownface-") as folder:
            plain, source = Path(folder, "plain.onnx"), Path(folder, "source.onnx")
            onnx.save(model, plain)
            quant_pre_process(str(plain), str(source), skip_symbolic_shape=True)
            yield source, Path(folder, "target.onnx")
    finally:
        logger.setLevel(before)


def _loaded(file: Path) -> ModelProto:
    import onnx

    model = onnx.load(file)
    STEPS["clean"](model)
    return model
