"""Exported models: made from a source, held against it on real faces, and refused where they decide otherwise.

    faces       aligned faces for calibration and for the parity report
    parity      what the comparison found, and whether it is within tolerance
    timing      milliseconds per face beside the source
    report      the report as JSON, Markdown and HTML
    run         one export from source to card

The command and the benchmark use it; it knows nothing of torch.
"""
