"""The pure middle: what a push means and what should happen, decided without touching anything."""
