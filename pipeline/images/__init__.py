"""Photos: opened safely, decoded lazily, always upright.

    open_photo -> source.read_file   bytes of a regular file; never blocks on a pipe or device
               -> headers            which format, how large, which way up, read from the bytes alone
               -> decode             the pixels: of most JPEGs by OpenCV
               -> pillow             of everything else, by Pillow and pillow-heif
    Photo                            the lazy, thread-safe handle the rest of the pipeline works with

Nothing is decoded before the header has been held against the pixel limit. Colour profiles are left as they are: an
embedded profile (Display P3, Adobe RGB) is not converted to sRGB, because the face models were trained on pixels that
were not converted either, and the conversion measured 4 times as long as decoding the JPEG.
"""

from pipeline.images.photo import Photo, from_array, open_photo
from pipeline.images.source import MAX_BYTES, MAX_PIXELS, PHOTO_SUFFIXES, VIDEO_SUFFIXES, one_line

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "PHOTO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Photo",
    "from_array",
    "one_line",
    "open_photo",
]
