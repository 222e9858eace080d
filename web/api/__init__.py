"""The API: `routes` are the calls that ask for something, `status` those that tell how it stands; both are in one `blueprint`.

`schemas` and `bodies` are what goes out and comes in, `docs` says all of it in OpenAPI, `downloads` hands out files, and
`health` and `metrics` answer machines.
"""
