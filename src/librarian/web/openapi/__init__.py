"""The description of the HTTP interfaces as OpenAPI 3.1, made from what the views declare of themselves.

A view is decorated with `describes` (`declaring`): its path, and for each method the parameters, the body and
the answers, in JSON Schema (`schemas`).  `document` collects the declarations of all registered views, and
`views` answers ``/+openapi.json`` with them.  A system that a site leaves out is not described.
"""
