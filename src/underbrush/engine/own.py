"""What only Underbrush stores in a project: see `project.own`."""

from underbrush.project.own import BALANCE, CHANNELS, SEED, TRAINED, own_channels, own_number

__all__ = ["BALANCE", "CHANNELS", "SEED", "TRAINED", "own_channels", "own_number"]
