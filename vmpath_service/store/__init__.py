"""The database: rearrangements, migrations, intentions, events."""
