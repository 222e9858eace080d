"""What is done with copies in other storages: one is made (copy), those that are missing are found
(missing), and it is decided what home and they give up (retention).
"""
