"""The REST service: the verbs of the command line over the same services, for programs.

    application   the FastAPI application          server       uvicorn, and how it ends
    gate          who may pass, how often, how much diary       a line of JSON for each request
    problems      every error as RFC 9457 says     models       what goes in and out, typed
    batching      requests share passes            idempotency  a retried enrolment enrols once
    connections   silence keeps none of them open   routes/      the addresses

Needs the extra `api`; no page and no training is imported.
"""
