"""What the tests of lab 1 must reject, and what they must accept, although it is written in another way."""

MISTAKES = {
    "window": {
        "width is taken for half the window": [("(level - width / 2)) / width", "(level - width)) / (2 * width)")],
        "begins at the level": [("hu - (level - width / 2)", "hu - level")],
        "stored numbers taken for Hounsfield units": [("hu = slope * stored + intercept", "hu = stored")],
        "the intercept scaled, too": [("hu = slope * stored + intercept", "hu = slope * (stored + intercept)")],
        "the slope forgotten": [("hu = slope * stored + intercept", "hu = stored + intercept")],
        "not cut off": [
            ("np.clip((hu - (level - width / 2)) / width, 0.0, 1.0)", "(hu - (level - width / 2)) / width")
        ],
        "greys from 0 to 255": [("0.0, 1.0)", "0.0, 1.0) * 255")],
        "stretched to its own range": [
            ("return np.clip", "hu = (hu - hu.min()) / (np.ptp(hu) + 1e-9)\n    return hu\n    np.clip")
        ],
    },
    "ramp_filter": {
        "even instead of odd": [("n % 2 == 1", "n % 2 == 0")],
        "the sign is lost": [("-1 / (np.pi", "1 / (np.pi")],
        "pi not squared": [
            (
                "(np.pi * np.maximum(np.abs(n), 1) * spacing_mm) ** 2",
                "np.pi / (np.maximum(np.abs(n), 1) * spacing_mm) ** 2",
            )
        ],
        "the spacing before the sum forgotten": [("spacing_mm * np.array(rows)", "np.array(rows)")],
        "the spacing in the filter forgotten": [
            ("(4 * spacing_mm**2)", "4"),
            ("np.maximum(np.abs(n), 1) * spacing_mm", "np.maximum(np.abs(n), 1)"),
        ],
        "filtered across views": [
            ("for row in sinogram]", "for row in sinogram.T]"),
            ("n_detectors = sinogram.shape[1]", "n_detectors = sinogram.shape[0]"),
            ("np.array(rows)", "np.array(rows).T"),
        ],
        "wraps around": """
def ramp_filter(sinogram, spacing_mm):
    frequency = np.abs(np.fft.fftfreq(sinogram.shape[1], spacing_mm))
    return np.fft.ifft(np.fft.fft(sinogram, axis=1) * frequency, axis=1).real
""",
        "the convolution as long as the filter": [
            ("np.convolve(row, h)[n_detectors - 1 : 2 * n_detectors - 1]", 'np.convolve(row, h, mode="same")')
        ],
        "does not filter": [("return spacing_mm * np.array(rows)", "return sinogram")],
    },
    "back_project": {
        "degrees taken for radians": [("np.deg2rad(angles_deg)", "angles_deg")],
        "sine and cosine swapped": [
            ("np.cos(angle) - axis[:, None] * np.sin(angle)", "np.sin(angle) - axis[:, None] * np.cos(angle)")
        ],
        "the sign of the rows": [("- axis[:, None]", "+ axis[:, None]")],
        "rows and columns swapped": [
            ("axis[None, :] * np.cos(angle) - axis[:, None]", "axis[:, None] * np.cos(angle) - axis[None, :]")
        ],
        "divides by nothing": [("* np.pi / n_views", "")],
        "a mean over half a turn": [("* np.pi / n_views", "/ n_views")],
        "the edge repeated outside": [(", left=0.0, right=0.0", "")],
        "nearest detector": [("np.interp(k,", "np.interp(np.rint(k),")],
        "turned about the corner": [("np.arange(n) - n // 2", "np.arange(n)")],
        "the middle between two pixels": """
def back_project(filtered, angles_deg):
    n_views, n = filtered.shape
    r, c = np.indices((n, n)) - (n - 1) / 2
    picture = np.zeros((n, n))
    for view, a in zip(filtered, np.deg2rad(angles_deg)):
        k = c * np.cos(a) - r * np.sin(a) + (n - 1) / 2
        picture += np.interp(k, np.arange(n), view, left=0, right=0)
    return picture * np.pi / n_views
""",
        "the last detector dropped": """
def back_project(filtered, angles_deg):
    n_views, n = filtered.shape
    r, c = np.indices((n, n)) - n // 2
    picture = np.zeros((n, n))
    for view, a in zip(filtered, np.deg2rad(angles_deg)):
        k = c * np.cos(a) - r * np.sin(a) + n // 2
        i = np.floor(k).astype(int)
        inside = (i >= 0) & (i < n - 1)
        i = np.clip(i, 0, n - 2)
        picture += np.where(inside, (1 - (k - i)) * view[i] + (k - i) * view[i + 1], 0)
    return picture * np.pi / n_views
""",
        "rotates the smeared picture": """
def back_project(filtered, angles_deg):
    n_views, n = filtered.shape
    smeared = [np.tile(view, (n, 1)) for view in filtered]
    turned = [ndimage.rotate(s, a, reshape=False, order=1) for s, a in zip(smeared, angles_deg)]
    return np.sum(turned, axis=0) * np.pi / n_views
""",
    },
    "zero_filled": {
        "the magnitude": [
            (
                'return np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")',
                'return np.abs(np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho"))',
            )
        ],
        "the magnitude, called complex": [
            (
                'return np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")',
                'return np.abs(np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")) + 0j',
            )
        ],
        "the real part, called complex": [
            (
                'return np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho")',
                'return np.fft.ifft2(np.fft.ifftshift(kspace), norm="ortho").real + 0j',
            )
        ],
        "frequency 0 in the corner": [
            ('np.fft.fftshift(np.fft.fft2(image, norm="ortho"))', 'np.fft.fft2(image, norm="ortho")'),
            ("np.fft.ifftshift(kspace)", "kspace"),
        ],
        "not shifted back": [("np.fft.ifftshift(kspace)", "kspace")],
        "fftshift twice, wrong for odd sizes": [("np.fft.ifftshift(kspace)", "np.fft.fftshift(kspace)")],
        "the measured lines are zeroed": [("kspace[~np.asarray(measured)]", "kspace[np.asarray(measured)]")],
        "columns instead of rows": """
def zero_filled(image, measured):
    kspace = np.fft.fftshift(np.fft.fft2(image, norm="ortho"))
    kept = np.resize(measured, kspace.shape[1])
    return np.fft.ifft2(np.fft.ifftshift(kspace * kept), norm="ortho")
""",
        "the energy is lost on one way": [('kspace), norm="ortho")', "kspace))")],
    },
    "resample": {
        "scaled to the size": """
def resample(moving, moving_spacing_mm, moving_origin_mm, fixed_shape, fixed_spacing_mm, fixed_origin_mm):
    factors = [n / m for n, m in zip(fixed_shape, moving.shape)]
    return ndimage.zoom(np.asarray(moving, float), factors, order=1)
""",
        "origins ignored": [
            ("np.array(fixed_origin_mm)[:, None, None] + ", ""),
            ("(place - np.array(moving_origin_mm)[:, None, None])", "place"),
        ],
        "the moving origin ignored": [("(place - np.array(moving_origin_mm)[:, None, None])", "place")],
        "spacings swapped": [
            ("np.array(fixed_spacing_mm)", "np.array(moving_spacing_mm)"),
            ("/ np.array(moving_spacing_mm)", "/ np.array(fixed_spacing_mm)"),
        ],
        "scaled to the width of its field, but not moved": """
def resample(moving, moving_spacing_mm, moving_origin_mm, fixed_shape, fixed_spacing_mm, fixed_origin_mm):
    fine = ndimage.zoom(np.asarray(moving, float), np.divide(moving_spacing_mm, fixed_spacing_mm), order=1)
    out = np.zeros(fixed_shape)
    h, w = np.minimum(fine.shape, fixed_shape)
    out[:h, :w] = fine[:h, :w]
    return out
""",
        "axes of the spacing swapped": [("/ np.array(moving_spacing_mm)[:", "/ np.array(moving_spacing_mm)[::-1][:")],
        "nearest pixel": [("order=1", "order=0")],
        "whole numbers stay whole": [("np.asarray(moving, float)", "moving")],
        "the edge repeated outside": [("cval=0.0", 'mode="nearest"')],
        "pixels instead of millimetres": [
            ("np.array(fixed_spacing_mm)[:, None, None]", "1.0"),
            ("/ np.array(moving_spacing_mm)[:, None, None]", "/ 1.0"),
        ],
    },
    "separate": {
        "always two stains": [("np.linalg.pinv(stains)", "np.linalg.pinv(stains[:2])")],
        "natural logarithm": [("np.log10", "np.log")],
        "the sign is lost": [("-np.log10", "np.log10")],
        "works on light, not on density": [("-np.log10(np.maximum(image, 1) / 255)", "1 - image / 255")],
        "black is infinite": [("np.maximum(image, 1)", "image")],
        "projected, not solved": [("np.linalg.pinv(stains)", "stains.T")],
        "divided by 256": [("/ 255", "/ 256")],
        "one added, and a uint8 overflows": [("np.maximum(image, 1) / 255", "(image + np.uint8(1)) / 256")],
        "negative amounts cut off": [
            ("return density @ np.linalg.pinv(stains)", "return np.maximum(density @ np.linalg.pinv(stains), 0)")
        ],
    },
    "compensate": {
        "the transpose": [("np.linalg.inv(spill)", "np.linalg.inv(spill.T)")],
        "mixed once more": [("np.linalg.inv(spill)", "spill")],
        "negative values cut off": [("events @ np.linalg.inv(spill)", "np.maximum(events @ np.linalg.inv(spill), 0)")],
        "only the first order": [("np.linalg.inv(spill)", "(2 * np.eye(len(spill)) - spill)")],
        "in place": [
            ("return events @ np.linalg.inv(spill)", "events[:] = events @ np.linalg.inv(spill)\n    return events")
        ],
    },
    "gate": {
        "0 and 1 instead of bool": [(".all(axis=1)", ".all(axis=1).astype(int)")],
        "any dimension": [(".all(axis=1)", ".any(axis=1)")],
        "the upper edge belongs to it": [("dyes < high", "dyes <= high")],
        "the lower edge does not": [("dyes >= low", "dyes > low")],
        "the first dimension only": [(".all(axis=1)", "[:, 0]")],
        "dimensions without events": [(".all(axis=1)", "")],
        "the upper edge ignored": [(" & (dyes < high)", "")],
    },
}

ALTERNATIVES = {
    "window": {
        "numpy's interp, float32": """
def window(stored, slope, intercept, level, width):
    hu = np.asarray(stored, np.float32) * np.float32(slope) + np.float32(intercept)
    return np.interp(hu, [level - width / 2, level + width / 2], [0, 1]).astype(np.float32)
""",
        "where, and a warning": """
def window(stored, slope, intercept, level, width):
    import warnings
    warnings.warn("slow")
    grey = 0.5 + (np.asarray(stored) * slope + intercept - level) / width
    return np.where(grey < 0, 0, np.where(grey > 1, 1, grey))
""",
    },
    "ramp_filter": {
        "as a matrix": """
def ramp_filter(sinogram, spacing_mm):
    n = np.subtract.outer(np.arange(sinogram.shape[1]), np.arange(sinogram.shape[1]))
    h = np.zeros(n.shape)
    h[n == 0] = 0.25 / spacing_mm**2
    h[n % 2 != 0] = -1 / (np.pi * n[n % 2 != 0] * spacing_mm) ** 2
    return spacing_mm * sinogram @ h.T
""",
        "by the Fourier transform, with zeros": """
def ramp_filter(sinogram, spacing_mm):
    views, n = sinogram.shape
    size = 4 * n
    k = np.arange(size)
    k[k > size // 2] -= size
    h = [1 / 4 if i == 0 else (-1 / (np.pi * i) ** 2 if i % 2 else 0) for i in k.tolist()]
    spectrum = np.fft.fft(np.array(h)) * np.fft.fft(sinogram, size, axis=1)
    return np.fft.ifft(spectrum, axis=1).real[:, :n] / spacing_mm
""",
    },
    "back_project": {
        "pixel by pixel": """
def back_project(filtered, angles_deg):
    V, n = filtered.shape
    out = np.zeros((n, n))
    for r in range(n):
        for c in range(n):
            for v in range(V):
                t = np.radians(angles_deg[v])
                k = (c - n // 2) * np.cos(t) - (r - n // 2) * np.sin(t) + n // 2
                out[r, c] += np.interp(k, np.arange(n), filtered[v], left=0, right=0)
    return np.pi * out / V
""",
        "with map_coordinates": """
def back_project(filtered, angles_deg):
    V, n = filtered.shape
    r, c = np.indices((n, n)) - n // 2
    views = np.pad(filtered, ((0, 0), (1, 1)))
    total = 0
    for view, t in zip(filtered, np.asarray(angles_deg) * np.pi / 180):
        total = total + ndimage.map_coordinates(view, [c * np.cos(t) - r * np.sin(t) + n // 2], order=1, cval=0.0)
    return total * (np.pi / V)
""",
    },
    "zero_filled": {
        "shift the lines, not the k-space": """
def zero_filled(image, measured):
    keep = np.fft.ifftshift(np.asarray(measured))
    return np.fft.ifft2(np.fft.fft2(image) * keep[:, None])
""",
        "one axis is enough": """
def zero_filled(image, measured):
    lines = np.fft.fftshift(np.fft.fft(image, axis=0), axes=0)
    lines = np.where(np.asarray(measured)[:, None], lines, 0)
    return np.fft.ifft(np.fft.ifftshift(lines, axes=0), axis=0)
""",
    },
    "resample": {
        "axis by axis": """
def resample(moving, moving_spacing_mm, moving_origin_mm, fixed_shape, fixed_spacing_mm, fixed_origin_mm):
    where = [
        (fo + np.arange(n) * fs - mo) / ms
        for n, fs, fo, ms, mo in zip(fixed_shape, fixed_spacing_mm, fixed_origin_mm, moving_spacing_mm, moving_origin_mm)
    ]
    return ndimage.map_coordinates(moving, np.meshgrid(*where, indexing="ij"), output=float, order=1)
""",
        "a matrix, float32": """
def resample(moving, moving_spacing_mm, moving_origin_mm, fixed_shape, fixed_spacing_mm, fixed_origin_mm):
    scale = np.divide(fixed_spacing_mm, moving_spacing_mm)
    offset = np.divide(np.subtract(fixed_origin_mm, moving_origin_mm), moving_spacing_mm)
    moving = np.asarray(moving, np.float32)
    return ndimage.affine_transform(moving, np.diag(scale), offset, output_shape=tuple(fixed_shape), order=1)
""",
    },
    "separate": {
        "least squares": """
def separate(image, stains):
    pixels = np.where(image == 0, 1, image).reshape(-1, 3).astype(float)
    amounts = np.linalg.lstsq(np.asarray(stains).T, np.log10(255 / pixels).T, rcond=None)[0]
    return amounts.T.reshape(*image.shape[:2], -1)
""",
        "normal equations": """
def separate(image, stains):
    d = np.log10(255.0) - np.log10(np.clip(image.astype(np.float64), 1, None))
    return np.linalg.solve(stains @ stains.T, stains @ d[..., None])[..., 0]
""",
    },
    "compensate": {
        "solve": """
def compensate(events, spill):
    return np.linalg.solve(spill.T, events.T).T
""",
        "cell by cell": """
def compensate(events, spill):
    print("compensating")
    return np.array([np.linalg.solve(np.transpose(spill), event) for event in events])
""",
    },
    "gate": {
        "event by event": """
def gate(dyes, low, high):
    return np.array([all(l <= x and x < h for x, l, h in zip(event, low, high)) for event in dyes])
""",
        "dimension by dimension": """
def gate(dyes, low, high):
    inside = np.ones(len(dyes), dtype=bool)
    for d in range(dyes.shape[1]):
        inside &= ~(dyes[:, d] < low[d]) & ~(dyes[:, d] >= high[d])
    return inside
""",
    },
}

# Mutants of the reference answers that are no other program.
H = "h = np.where(n % 2 == 1, -1 / (np.pi * np.maximum(np.abs(n), {}) * spacing_mm) ** 2, 0.0)"
EQUIVALENT = {
    "window": {
        "`return np.clip((hu - (level - width / 2)) / width, 0.0, 1.0)` -> "
        "`return np.clip(0.0, (hu - (level - width / 2)) / width, 1.0)`": (
            "the smaller of 1 and the larger of 0 and x, whichever of the two is called the bound"
        ),
    },
    "ramp_filter": {
        f"`{H.format(1)}` -> `{H.format(0)}`": "only n = 0 differs, which is even and set by the next line",
        f"`{H.format(1)}` -> `{H.format(-1)}`": "only n = 0 differs, which is even and set by the next line",
        "`rows = [np.convolve(row, h)[n_detectors - 1 : 2 * n_detectors - 1] for row in sinogram]` -> "
        "`rows = [np.convolve(h, row)[n_detectors - 1 : 2 * n_detectors - 1] for row in sinogram]`": (
            "a convolution does not care which of the two comes first"
        ),
    },
}
