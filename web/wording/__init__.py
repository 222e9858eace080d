"""How things are said and drawn: facts come in, sentences, numbers with units and small pictures go out. Nothing is asked here.

Before a restore: `restores`, `consequences`, `by_hand`. Of a run: `runs` how it stands, `outcomes` what came of it (an error is
said by the verb that raised it), `keys` what befell keys. Of a backup: `titles` what it is called. Of the whole: `verdict`,
`system`, and pictures/; their colours are in static/style.css, by the names of their states.
"""
