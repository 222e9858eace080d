"""What a person looks at: every page works as plain HTML, and every change is a form."""

from flask import Blueprint

pages = Blueprint("pages", __name__)
