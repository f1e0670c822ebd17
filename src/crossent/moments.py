from crossent.statistics import Moments, combine, moments
