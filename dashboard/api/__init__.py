"""JSON for programs: the shapes that `docs/reference/api.md` names."""
