"""The engine: one training step, the loop around it, and what makes a run stoppable.

config    what can be chosen           schedule   learning rates           checkpoint   state on disk, atomic
setup     config -> everything built   step       one optimiser step       evaluate     error rates during training
loop      epochs of steps              guard      what is not finite       report       console, log, TensorBoard
world     ranks and devices            sync_norm  batch statistics of all ranks          dry_run  what a run will cost
"""
