"""The straightforward loop: insightface's FaceAnalysis, one photo after the other, over the same two models.

FaceAnalysis is the package's own; YuNet is put behind the interface of its detectors as its SCRFD does it (a canvas of
`det_size`, one pass, non-maximum suppression), SFace behind its ArcFaceONNX. ONNX Runtime has its default number of
threads: one per core.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from pipeline.detect import YuNetHead


class YuNet:
    """YuNet behind the interface of insightface's detectors."""

    taskname = "detection"

    def __init__(self, file: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        self.outputs = [node.name for node in self.session.get_outputs()]
        self.head = YuNetHead()

    def prepare(self, ctx_id, input_size, det_thresh, **_) -> None:  # noqa: ARG002 - its interface
        self.input_size, self.det_thresh = input_size, det_thresh

    def detect(self, img, max_num=0, metric="default"):  # noqa: ARG002 - its interface
        width, height = self.input_size
        scale = min(width / img.shape[1], height / img.shape[0])
        small = cv2.resize(img, (round(img.shape[1] * scale), round(img.shape[0] * scale)))
        canvas = np.zeros((height, width, 3), np.uint8)
        canvas[: small.shape[0], : small.shape[1]] = small
        values = self.session.run(self.outputs, {"input": cv2.dnn.blobFromImage(canvas)})
        (raw,) = self.head.decode(dict(zip(self.outputs, values, strict=True)), (height, width), self.det_thresh)
        if not len(raw.boxes):
            return np.empty((0, 5), np.float32), np.empty((0, 5, 2), np.float32)
        boxes = raw.boxes / scale
        xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
        keep = list(cv2.dnn.NMSBoxes(xywh.tolist(), raw.confidences.tolist(), self.det_thresh, 0.4))
        return np.concatenate([boxes, raw.confidences[:, None]], axis=1)[keep], (raw.landmarks / scale)[keep]


class InsightFaceLoop:
    """`app.get` for every photo.

    Args:
        yunet, sface: Files of the models.
        files: The photos.
        side: Of the square that photos are detected in.
    """

    def __init__(self, yunet: Path, sface: Path, files: list[Path], side: int) -> None:
        import logging

        logging.disable(logging.WARNING)
        from insightface.app import FaceAnalysis
        from insightface.model_zoo.arcface_onnx import ArcFaceONNX

        session = onnxruntime.InferenceSession(str(sface), providers=["CPUExecutionProvider"])
        self.app = FaceAnalysis.__new__(FaceAnalysis)  # its constructor wants a pack of its own
        self.app.addons, self.app.model_package = {}, None
        self.app.models = {"detection": YuNet(yunet), "recognition": ArcFaceONNX(str(sface), session)}
        self.app.det_model = self.app.models["detection"]
        self.app.prepare(ctx_id=0, det_thresh=0.6, det_size=(side, side))
        self.files = files

    def __call__(self) -> int:
        faces = 0
        for file in self.files:
            faces += len(self.app.get(cv2.imread(str(file))))
        return faces


class OrtLoop(InsightFaceLoop):
    """The same loop without the package, where it is not installed."""

    def __init__(self, yunet: Path, sface: Path, files: list[Path], side: int) -> None:
        self.detector, self.files = YuNet(yunet), files
        self.detector.prepare(0, (side, side), 0.6)
        self.embedder = onnxruntime.InferenceSession(str(sface), providers=["CPUExecutionProvider"])
        self.aligner = cv2.FaceRecognizerSF.create(str(sface), "")

    def __call__(self) -> int:
        faces = 0
        for file in self.files:
            image = cv2.imread(str(file))
            boxes, points = self.detector.detect(image)
            for box, landmarks in zip(boxes, points, strict=True):
                face = np.concatenate([box[:2], box[2:4] - box[:2], landmarks.ravel(), box[4:]])
                crop = self.aligner.alignCrop(image, face[None].astype(np.float32))
                self.embedder.run(None, {self.embedder.get_inputs()[0].name: cv2.dnn.blobFromImage(crop, swapRB=True)})
                faces += 1
        return faces
