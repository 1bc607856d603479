"""Placement policies: a snapshot in, a target placement out."""
