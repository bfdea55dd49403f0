"""The pure core: bytes, replies and the time go in; bytes, commands and deadlines come out."""
