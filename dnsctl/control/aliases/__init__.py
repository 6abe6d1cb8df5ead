"""The addresses of ALIAS whose target is not ours: asked for, kept, and released anew when they change."""
