"""HTTP for the dashboard and for automation (`/api/...`); its routes come with the dashboard."""
