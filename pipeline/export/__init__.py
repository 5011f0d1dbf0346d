"""Other forms of an ONNX network: fp32 with an open batch, fp16, int8; with its preprocessing inside on request.

    graph       reading, folding preprocessing in, metadata, and what every export has to pass
    precision   fp16 and int8

`onnx` and ONNX Runtime's converters are imported only when something is exported.
"""
