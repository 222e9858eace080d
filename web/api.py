"""What a script uses: tasks are asked for with 202 and a result id, and looked up by it."""

from flask_openapi3 import APIBlueprint

api = APIBlueprint("api", __name__, url_prefix="/api")
