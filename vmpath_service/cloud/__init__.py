"""Nova and Placement through openstacksdk and keystoneauth1."""
