"""The ground floor: what a corpus folder is. It knows no crawler, no Beam and no model."""
