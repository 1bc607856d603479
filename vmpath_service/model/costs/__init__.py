"""What a migration costs: plug-ins (``vmpath.costs``) by which the path finder chooses between ways."""
