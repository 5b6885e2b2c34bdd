"""Pure: arrays in, arrays out. Knows no file, thread, socket or screen."""
