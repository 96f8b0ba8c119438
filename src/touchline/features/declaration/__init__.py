"""What a project declares about features: entities, views, examples, transforms, and the versions of their code."""
