"""Resize pictures in a folder."""

# TODO: keep the camera's date
# TODO: skip files that are smaller already


def size(width: int, height: int, most: int) -> tuple[int, int]:
    """The new size of a picture."""
    scale = most / max(width, height)
    return round(width * scale), round(height * scale)  # TODO: round up for thumbnails
