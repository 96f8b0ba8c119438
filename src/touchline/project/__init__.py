"""The declaration: `project.py` comes in, a loaded and checked `Project` goes out.

`Project` joins the declarations of the rooms below. A declaration that loads is consistent: every view reads a
declared source, every joined view is declared, every gate compares with a declared baseline.
"""

from touchline._lazy import lazy_names

__getattr__ = lazy_names(__name__)
