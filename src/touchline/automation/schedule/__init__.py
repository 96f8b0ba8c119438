"""What a policy says is due: a declaration, facts and an instant come in; decided times and requested runs go out.

`triggers` is pure, `facts` reads what it needs, `records` writes each decision once.
"""
