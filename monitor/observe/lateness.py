"""How late counts usually come.

What varies is measured minute by minute, so counts have to come in the minute that they
belong to, or all of them equally late: a log that is shipped after a minute is as good
as one that is shipped at once, but a lot that comes long after its neighbours would be
an odd one in the minute of others.
"""

#: Lots after which what came before counts e times less.
MEMORY_LOTS = 100.0


class Lateness:
    """The mean lateness of what has come lately, weighted by volume.

    >>> late = Lateness()
    >>> [late.after(70.0, 500.0) for _ in range(3)], late.after(130.0, 5.0) > 59.0
    ([0.0, 0.0, 0.0], True)
    """

    def __init__(self) -> None:
        self.seconds = self.volume = 0.0

    def after(self, seconds: float, volume: float) -> float:
        """Note a lot of so many attempts; returns by how much it is later than usual,
        seconds.
        """
        keep = 1.0 - 1.0 / MEMORY_LOTS
        self.seconds = self.seconds * keep + seconds * volume
        self.volume = self.volume * keep + volume
        usual = self.seconds / self.volume if self.volume > 0 else 0.0
        return seconds - usual
