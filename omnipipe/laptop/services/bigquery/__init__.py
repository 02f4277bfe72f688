"""BigQuery: its resources, the emulator that runs, Google's parser before it, and the gate."""
