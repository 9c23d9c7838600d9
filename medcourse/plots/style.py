"""The house style of every figure."""

# Okabe and Ito's palette, told apart with every common form of colour blindness; without black, which is the ink, and
# with the pale yellow last, since it is the one that is hard to see on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442")


def use_style() -> None:
    """Set matplotlib's defaults for the course: once, in the setup cell of a notebook.

    Examples
    --------
    >>> import matplotlib
    >>> with matplotlib.rc_context():
    ...     use_style()
    ...     matplotlib.rcParams["image.cmap"]
    'gray'
    """
    import matplotlib as mpl  # noqa: PLC0415  (the palette alone should cost nothing)
    from matplotlib.rcsetup import cycler  # noqa: PLC0415

    mpl.rcParams.update(
        {
            "figure.dpi": 100,
            "savefig.dpi": "figure",
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=list(PALETTE)),
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "image.cmap": "gray",
            # One pixel of the data is one square on the screen: smoothing would invent detail.
            "image.interpolation": "nearest",
        }
    )
