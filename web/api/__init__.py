"""The API: `routes` are its calls, `schemas` and `bodies` what goes out and comes in, `docs` says it in OpenAPI.

`downloads` hands out files, `health` and `metrics` answer machines.
"""
