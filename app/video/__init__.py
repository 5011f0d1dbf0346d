"""Who appears in a video, and when.

appearances    a video -> its tracks -> one face, template and picture for each time somebody is to be seen
challenge      was a challenge followed, and by whom? `asked` keeps those that await their answer
"""
