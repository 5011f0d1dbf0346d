"""Every sentence of the report, in one place; `{…}` are gaps. The page's script gets those of `SCRIPT` as data."""

from __future__ import annotations

LANGUAGE = "en"
TITLE = "People in {run}"
LEAD = (
    "Computed on this machine by Knownface. A name stands where the score reaches the threshold; scores are cosine "
    "similarities, and the bar's mark is the threshold. This page needs no network, and everything in it is searched "
    "in this browser."
)
SKIP = "Skip to the faces"
NO_SCRIPT = "Faces are shown and searched by the page's own script: please let it run, or read results.csv."
SEARCH, SEARCH_HINT = "Search", "Name, file or folder"
ORDER = "Order of a person's faces"
ORDERS = {"strong": "highest score first", "weak": "lowest score first", "photo": "by photo"}
SHOW = "What to show"
KINDS = {
    "all": "Everything",
    "people": "Named",
    "unknown": "Unknown",
    "ambiguous": "Ambiguous",
    "poor": "Poor image",
    "undecided": "Undecided",
    "files": "No result",
}
BACK, ON, PAGES = "Back", "Next", "Pages"
ABOUT = "What this rests on"
COUNTS = {
    "files": "files",
    "faces": "faces",
    "people": "people named",
    "named": "faces named",
    "unknown": "unknown",
    "ambiguous": "ambiguous",
    "poor": "poor images",
    "unused": "files without a result",
}
FACTS = {
    "threshold": "Threshold",
    "origin": "Where it comes from",
    "fpir": "Strangers given a name (FPIR)",
    "fnir": "Enrolled people missed (FNIR)",
    "gallery": "Enrolled people",
    "generation": "State of the gallery",
    "model": "Model",
}
RATE, RATE_UPPER = "{rate}", "{rate}, below {upper} with 95 % confidence"
MEASURED = "measured with {n} people enrolled"
SOME_PICTURES = (
    "This file holds the pictures of {n} of {total} faces, those that each section shows first. --assets writes "
    "all of them beside the report."
)

SCRIPT = {
    "faces_one": "{n} face",
    "faces_many": "{n} faces",
    "people_one": "{n} person",
    "people_many": "{n} people",
    "files_one": "{n} file",
    "files_many": "{n} files",
    "cluster": "Unknown {name}",
    "title_loose": "Unknown, on their own",
    "title_ambiguous": "Ambiguous: two people are alike enough",
    "title_poor": "Too poor an image to tell",
    "title_undecided": "Not decided yet",
    "title_files": "Files without a face, and those that could not be used",
    "kind_people": "named",
    "kind_unknown": "unknown, alike",
    "kind_loose": "unknown",
    "kind_ambiguous": "ambiguous",
    "kind_poor": "poor image",
    "kind_undecided": "undecided",
    "kind_files": "no result",
    "nothing": "Nothing fits. Try fewer words, or show everything.",
    "page": "Page {n} of {total}",
    "more": "Show {n} more (of {rest})",
    "no_picture": "picture not in this file",
    "face_alt": "Face {n} of {photo}",
    "candidate_alt": "A face of {name}",
    "score": "score",
    "score_title": "Score {score}, threshold {threshold}",
    "most_like": "most like",
    "this_face": "this face",
    "either": "is either",
    "or": "or",
    "why": "why",
    "name_it": "You know who this is? {command}",
    "also": "the same file:",
    "printed": "Only the first {n} are printed: search for fewer.",
}
