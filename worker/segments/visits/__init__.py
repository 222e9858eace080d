"""How the stream comes home: a visit asks whether the source can go on (continuing), follows it (following), cuts what comes into frames
(framing), appends them to the file of this hour (growing), and notes how it stands (standing).
"""
