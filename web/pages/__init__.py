"""The pages, a module for each; `actions` does what their forms ask, through a task, and `templating` is the frame around all."""
