"""In which of several metric stores an organization's points are, and how they get into another one."""
