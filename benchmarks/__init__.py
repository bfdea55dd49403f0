"""Programs that measure what the package promises: nothing lost, speed, memory. See README.md."""
