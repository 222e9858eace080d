"""How things are said and drawn: facts come in, sentences, numbers with units and small pictures go out. Nothing is asked here."""
