"""The pages, a module for each: requests come in, HTML of templates/ goes out.

`actions` does what their forms ask, through a task, `forms` reads what was entered, and `templating` is the frame around all.
"""
