"""What is wrong, since when, and who has been told: `judged` and `conditions` say what is wrong, by the `facts`; `memory` is
what was wrong before, and `changes` what is to be told of the difference; `watch` does all of it, once a minute.
"""
