"""A web server and a package index on loopback, and small ONNX networks."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from pipeline.weights import ModelStore
from pipeline.weights.card import Card, Licence, Preprocessing
from pipeline.weights.card_sources import FileSource, PackageSource, PackSource, UrlSource

Answer = Callable[[BaseHTTPRequestHandler], None]
FREE = Licence(code="MIT", weights="MIT", training_data="none", commercial_use=True)
RESEARCH = Licence(code="MIT", weights="research only", training_data="faces", commercial_use=False)
FACE = Preprocessing(input_hw=(112, 112), colour="rgb", mean=(0, 0, 0), std=(1, 1, 1), template="arcface-112")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Site:
    """A server on loopback that answers as it is told: one answer per request, the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.requests.append((request.path, {k.lower(): v for k, v in request.headers.items()}))
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)


@contextmanager
def running(site: Site) -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.answer(self)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def whole(data: bytes, etag: str = '"v1"', sent: int | None = None) -> Answer:
    """The file, or only its first `sent` bytes before the connection closes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        if etag:
            request.send_header("ETag", etag)
        request.end_headers()
        request.wfile.write(data[:sent])

    return answer


def ranged(data: bytes, etag: str = '"v1"') -> Answer:
    """Honours Range, and If-Range by the ETag."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range")
        if asked is None or request.headers.get("If-Range") != etag:
            whole(data, etag)(request)
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        request.send_header("Content-Length", str(len(data) - start))
        request.send_header("ETag", etag)
        request.end_headers()
        request.wfile.write(data[start:])

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


def package_index(files: dict[str, dict[str, bytes]]) -> Answer:
    """A simple index (PEP 503): project -> file name -> bytes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        parts = [part for part in request.path.split("?")[0].split("/") if part]
        if parts[:1] == ["files"] and parts[-1] in files.get(parts[1], {}):
            whole(files[parts[1]][parts[-1]])(request)
        elif parts[:1] == ["simple"] and len(parts) == 2 and parts[1] in files:
            links = "".join(f'<a href="/files/{parts[1]}/{name}">{name}</a>' for name in files[parts[1]])
            page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            request.send_response(200)
            request.send_header("Content-Type", "text/html")
            request.send_header("Content-Length", str(len(page)))
            request.end_headers()
            request.wfile.write(page)
        else:
            status(404)(request)

    return answer


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def tensor(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def model_bytes(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: dict[str, np.ndarray],
    opset: int = 21,
) -> bytes:
    initializers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(list(nodes), "/home/somebody/graph", list(inputs), list(outputs), initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="/home/somebody")
    model.ir_version = 10
    result: bytes = model.SerializeToString()
    return result


def embedder(dimension: int = 64, side: int = 112, seed: int = 0) -> bytes:
    """A network like ArcFace: an aligned face in, one vector out (a mean per channel, times a matrix)."""
    weights = np.random.default_rng(seed).normal(size=(3, dimension)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["face"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    return model_bytes(
        nodes, [tensor("face", ["N", 3, side, side])], [tensor("vector", ["N", dimension])], {"weights": weights}
    )


def detector(*, landmarks: bool = True) -> bytes:
    """The inputs and outputs of SCRFD, around a network without sense."""
    nodes, outputs, constants = [], [], {}
    for width in (1, 4, 10) if landmarks else (1, 4):
        for stride in (8, 16, 32):
            name = f"o{width}_{stride}"
            constants[f"shape_{name}"] = np.array([-1, width], np.int64)
            constants[f"weights_{name}"] = np.ones((width * 2, 3, 1, 1), np.float32)
            nodes.append(
                helper.make_node("Conv", ["image", f"weights_{name}"], [f"conv_{name}"], strides=[stride, stride])
            )
            nodes.append(helper.make_node("Reshape", [f"conv_{name}", f"shape_{name}"], [name]))
            outputs.append(tensor(name, [f"n_{name}", width]))
    return model_bytes(nodes, [tensor("image", [1, 3, "H", "W"])], outputs, constants)


def card_of(data: bytes, url: str = "", name: str = "sface.test", **changes: Any) -> Card:
    """The card of an embedder that is fetched from a server, or has no source at all."""
    sources = (UrlSource(kind="url", url=url, sha256=sha(data), size=len(data)),) if url else ()
    values: dict[str, Any] = {
        "name": name,
        "task": "embedder",
        "family": "sface",
        "dimension": 64,
        "sources": sources,
        "preprocessing": FACE,
        "licence": FREE,
    }
    return Card(**{**values, **changes})


def file_card(path: Path, name: str = "sface.test", **changes: Any) -> Card:
    """The same, taken from a file."""
    data = path.read_bytes()
    return card_of(data, name=name, sources=(FileSource(kind="file", path=str(path), sha256=sha(data)),), **changes)


def package_source(archive: bytes, member: str, content: bytes, filename: str = "parcel-1.0.tar.gz") -> PackageSource:
    return PackageSource(
        kind="package",
        project="parcel",
        version="1.0",
        filename=filename,
        sha256=sha(archive),
        size=len(archive),
        member=member,
        member_sha256=sha(content),
        member_size=len(content),
    )


DETECTOR, EMBEDDER = detector(), embedder(128)
PACK = {"det_x.onnx": DETECTOR, "w_x.onnx": EMBEDDER, "genderage.onnx": embedder(64, side=96), "notes.txt": b"hello"}


def herd(folder: Path) -> ModelStore:
    """A store that knows a pack of two cards, `herd`, and nothing else."""

    def source(member: str, data: bytes) -> tuple[PackSource, ...]:
        return (PackSource(kind="insightface", pack="herd", member=member, sha256=sha(data), result_sha256=sha(data)),)

    common: dict[str, Any] = {"pack": "herd", "licence": RESEARCH}
    cards = [
        card_of(
            b"", name="arcface.herd", family="arcface", sources=source("w_x.onnx", EMBEDDER), dimension=128, **common
        ),
        card_of(
            b"",
            name="scrfd.herd",
            task="detector",
            family="scrfd",
            sources=source("det_x.onnx", DETECTOR),
            dimension=None,
            **common,
        ),
    ]
    return ModelStore(folder / "models", {card.name: card for card in cards})
