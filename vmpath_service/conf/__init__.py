"""What can be configured: oslo.config options, one module per section. Declarations only.

``cmd.configuration`` reads the files and turns them into the plain settings that the rest takes as arguments.
"""
