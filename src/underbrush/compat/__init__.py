"""What stands for other programs: their command lines, names and axis rules on our engine."""
