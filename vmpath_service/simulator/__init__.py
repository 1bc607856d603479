"""A simulated cloud that speaks Keystone, Nova and Placement over HTTP."""
