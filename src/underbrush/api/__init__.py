"""What `import underbrush` gives: functions and estimators over arrays, files and projects."""
