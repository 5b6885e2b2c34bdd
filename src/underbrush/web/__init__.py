"""The app: a server for browsers. `starting` runs it, `gate` guards it, `hub` holds the open projects.

Routes and websocket (`routes`, `events`) serve the viewer; the panels speak to the hub directly.
"""
