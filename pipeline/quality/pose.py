"""How a head is turned, from its five landmarks alone."""

from __future__ import annotations

import numpy as np

from pipeline.types import F32, F64

#: A frontal face with its depth: left eye, right eye, nose, left and right mouth corner as the viewer sees them; x to
#: the right, y down, z towards the viewer. Across and down it is the symmetrised 112x112 template of ArcFace (Deng et
#: al. 2019); the depths are usual proportions of a head (nose 0.5 of the distance of the eyes before them), ours.
_FACE: F64 = np.array(
    [[-17.6, -21.9, 0.0], [17.6, -21.9, 0.0], [0.0, -1.8, 17.6], [-14.6, 18.8, 3.5], [14.6, 18.8, 3.5]]
)
_MODEL: F64 = _FACE - _FACE.mean(axis=0)
_INVERSE: F64 = np.linalg.pinv(_MODEL).astype(np.float64)  # (3, 5)


def head_pose_deg(landmarks: F32 | F64) -> F64:
    """Yaw, pitch and roll under weak perspective.

    The least-squares affine camera A = Pᵀ·X⁺ᵀ (Tomasi & Kanade 1992, scaled orthography), whose two rows are then made
    orthogonal and of one length. A generic face stands for everybody's, so that pitch is coarse (about 10 degrees);
    yaw is good to about 5 degrees up to 45.

    Args:
        landmarks: (N, 5, 2) x y in pixels, in the order of `Detections`.

    Returns:
        (N, 3) float64 degrees: yaw (positive: the nose points to the right of the picture), pitch (positive: up),
        roll (positive: turned clockwise in the picture). NaN where the landmarks are degenerate.
    """
    points = np.asarray(landmarks, np.float64)
    points = points - points.mean(axis=1, keepdims=True)
    camera = np.einsum("npk,mp->nkm", points, _INVERSE)  # (N, 2, 3)
    u, s, vt = np.linalg.svd(camera, full_matrices=False)
    rows = u @ vt  # the nearest two orthonormal rows
    (a, b, c), (d, e, f) = rows[:, 0].T, rows[:, 1].T
    third = np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=1)  # across both rows
    # R = Rz(roll) · Ry(yaw) · Rx(pitch)
    yaw = np.arcsin(np.clip(-third[:, 0], -1, 1))
    pitch = np.arctan2(third[:, 1], third[:, 2])
    roll = np.arctan2(rows[:, 1, 0], rows[:, 0, 0])
    angles: F64 = np.degrees(np.stack([yaw, pitch, roll], axis=1))
    angles[s[:, 1] < 1e-6 * np.maximum(s[:, 0], 1e-12)] = np.nan
    return angles
