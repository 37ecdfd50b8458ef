"""bouncemon: a streaming bounce-spike monitor for people who send mail at scale."""

__version__ = "0.1.0"
